"""Learning: what every task works with, from the rows of a file to the folder of a run."""

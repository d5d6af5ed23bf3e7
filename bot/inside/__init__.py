"""Looking inside a model: its guesses, its pieces, its vectors, its attention, its prejudices; a file each."""

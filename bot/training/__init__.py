"""Fine-tuning, once for all tasks: transformers' Trainer, what it shows, and what the trained model says."""

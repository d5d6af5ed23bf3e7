"""What a Trainer tells of its progress."""

from typing import Any

from transformers import TrainerCallback

from indexer.progress import Progress


class Follow(TrainerCallback):
    """Counts the steps, and names the last score."""

    def __init__(self, progress: Progress, score: str) -> None:
        self.progress, self.score = progress, score
        self.stage = "Training"

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of a step."""
        self.progress(self.stage, state.global_step, state.max_steps)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Tell of the score on dev."""
        found = (metrics or {}).get(f"eval_{self.score}")
        if found is not None:
            self.stage = f"Training: {self.score} {found:.3f} on dev after step {state.global_step}"

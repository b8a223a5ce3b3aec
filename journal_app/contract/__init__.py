"""What the app and the trainer share: tasks, labels, prompts and the model manifest.

Standard library only, so that either side can import it without pulling the other in.
"""

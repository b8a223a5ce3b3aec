"""How models are judged: scores, replies, studies, side by side, and the pages that show it."""

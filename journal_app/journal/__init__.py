"""The journal's own thinking: safety rules, reflections, analysis, trends and summaries. No Qt, no vault, no model."""

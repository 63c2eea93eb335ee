"""Live data: who may watch, until when, and what slow readers cost."""

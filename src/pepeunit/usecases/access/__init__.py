"""Who is asking, and may they: the questions every other use case starts with."""

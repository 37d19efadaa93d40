"""Sentences, corpora, readers, tasks and their controls; the generated English. Loads no torch."""

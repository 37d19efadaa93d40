"""Adaptation: feature extraction from a frozen model beside fine-tuning, with what each costs."""

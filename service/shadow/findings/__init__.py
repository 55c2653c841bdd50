"""Cases of one pair of models come in; what a report says about them goes out."""

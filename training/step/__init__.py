"""One step of training: its passes, its gradients, and what both come to over all processes."""

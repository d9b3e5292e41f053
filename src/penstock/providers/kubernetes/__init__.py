"""Provider "kubernetes": agents as pods; see docs/how-to/kubernetes.md."""

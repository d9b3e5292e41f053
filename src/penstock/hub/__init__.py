"""Who acts: each service loads a snapshot, asks policy, applies in short guarded transactions."""

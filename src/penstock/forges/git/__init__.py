"""git, by the real program: refs to trees, trees to archives."""

"""How to speak with a Leshan server, and how to hear it. Knows no database; HTTP is spoken here and nowhere else."""

"""Provider "ec2": Amazon's instances. What is asked, how fast, and what the answers mean."""

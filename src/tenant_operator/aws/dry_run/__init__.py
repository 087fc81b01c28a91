"""AWS as a dry run sees it: reads are real, writes stay in this process and are answered as AWS would."""

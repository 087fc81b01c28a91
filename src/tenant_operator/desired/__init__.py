"""Pure: from specs to the AWS resources that should exist, with their names and tags."""

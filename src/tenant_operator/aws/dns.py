"""Route 53 as the rest of the program sees it: hosted zones, records, and the lane that changes records."""

from tenant_operator.aws.hosted_zones import find_zone, hosted_zone
from tenant_operator.aws.record_batches import Pace, RecordLane
from tenant_operator.aws.record_changes import RecordChange
from tenant_operator.aws.records import FOREIGN, read_records

__all__ = ["FOREIGN", "Pace", "RecordChange", "RecordLane", "find_zone", "hosted_zone", "read_records"]

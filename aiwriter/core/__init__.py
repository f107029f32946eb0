"""The shared kernel: errors, queue, leases, egress, signing, REST rules. No tables, no business."""

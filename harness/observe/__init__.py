"""What people see while work goes on: progress, tables, experiment trackers."""

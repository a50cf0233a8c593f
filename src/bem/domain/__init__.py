"""What batteries, profiles, programs and limits mean. Pure: no I/O, no clock, no framework."""

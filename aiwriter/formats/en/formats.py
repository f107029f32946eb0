"""Dates as in ISO 8601 and 24 hours: half as wide as Django's own English ones, so that lists have room for words."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i"
TIME_FORMAT = "H:i"

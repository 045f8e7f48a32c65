-- An upload is a file, and what it is for stands in its URL. Those of older versions begin again.
DROP TABLE uploads;

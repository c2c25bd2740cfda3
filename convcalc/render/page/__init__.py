"""Writes pages: one HTML file each, which loads nothing, with its data as one JSON block.

`markup` makes elements with escaped text, `document` the whole file. `network_data` and `graph_data` make the data of
one network, the other modules the HTML that is readable without scripts. The folder `assets` has the scripts and the
style.
"""

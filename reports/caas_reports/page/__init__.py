"""The HTML report's shell, styles and scripts, and the data it carries.

`script/*.js` and `style/*.css` are joined in the order of their names into one inline element each.
"""

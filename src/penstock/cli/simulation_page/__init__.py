"""The page of a simulation: one file with everything in it, that can be mailed, printed and read in ten years.

`story` gathers what is shown, `svg` draws lines and boxes, each other module draws one picture, `page` puts them together.
Every name comes from outside: what reaches the page is escaped, by jinja2 or by `svg`.
"""

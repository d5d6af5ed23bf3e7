"""The widget in the site's own colour: shades of it that can be read, whatever the colour is."""

LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PAPERS = (246, 247, 244), (27, 33, 30)  # what text stands on in chat.css, light and dark: the worse of page and card

Color = tuple[int, int, int]


def stylesheet(digits: str) -> str:
    """Write the colours of the frame in light and in dark, from three or six hexadecimal digits."""
    color = read_color(digits)
    light, dark = readable_on(color, PAPERS[0]), readable_on(color, PAPERS[1])
    accent = f"light-dark({css(light)}, {css(dark)})"
    on_accent = f"light-dark({css(ink(light))}, {css(ink(dark))})"
    mine = mix(color, PAPERS[1], 0.7)
    chosen = {
        "accent": accent,
        "on-accent": on_accent,
        "accent-soft": "color-mix(in srgb, var(--accent) 12%, var(--card))",
        "mine": f"light-dark({css(light)}, {css(mine)})",
        "on-mine": f"light-dark({css(ink(light))}, {css(ink(mine))})",
    }
    return f":root {{ {' '.join(f'--{name}: {value};' for name, value in chosen.items())} }}\n"


def read_color(digits: str) -> Color:
    """Read three or six hexadecimal digits."""
    whole = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    return int(whole[:2], 16), int(whole[2:4], 16), int(whole[4:], 16)


def readable_on(color: Color, paper: Color) -> Color:
    """Shift a colour towards black or white until it can be read on the paper."""
    towards = BLACK if luminance(paper) > 0.5 else WHITE
    steps = (mix(color, towards, step / 20) for step in range(21))
    return next(one for one in steps if contrast(one, paper) >= LEAST_CONTRAST)


def ink(background: Color) -> Color:
    """Choose white or black, whichever can be read better."""
    return max(WHITE, BLACK, key=lambda one: contrast(one, background))


def mix(color: Color, other: Color, share: float) -> Color:
    """Mix two colours; a share of 1 gives the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def contrast(one: Color, other: Color) -> float:
    """Give the contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: Color) -> float:
    """Give the relative luminance of a colour (WCAG 2.2)."""
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def css(color: Color) -> str:
    """Write a colour for a style sheet."""
    return f"#{color[0]:02x}{color[1]:02x}{color[2]:02x}"

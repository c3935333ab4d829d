"""Two kinds of picture as SVG: points over latency, and bars with intervals. The drawings know no experiment."""
import math

COLOURS = ["#2b6cb0", "#c53030", "#2f855a", "#b7791f", "#6b46c1", "#4a5568"]


def ticks(low, high):
    span = high - low
    step = 10 ** math.floor(math.log10(span))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if span / s <= 7)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, int(high / step + 1e-9) + 1)]


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Frame:
    """A white sheet with a title, axes and a scale from data to places."""

    def __init__(self, title, x_range, y_range, x_label, y_label, width=720, height=440):
        self.width, self.height, self.left, self.base = width, height, 70, height - 50
        self.x_range, self.y_range = x_range, y_range
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
                      f'<rect width="{width}" height="{height}" fill="#fff"/>',
                      f'<text x="{self.left}" y="22" font-size="15">{escaped(title)}</text>']
        for tick in ticks(*y_range):
            self.parts.append(f'<path d="M{self.left} {self.y(tick):.1f}H{width - 20}" stroke="#e4e4e4"/>'
                              f'<text x="{self.left - 8}" y="{self.y(tick) + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
        for tick in ticks(*x_range) if x_label else []:
            self.parts.append(f'<path d="M{self.x(tick):.1f} {self.base}V40" stroke="#e4e4e4"/>'
                              f'<text x="{self.x(tick):.1f}" y="{self.base + 18}" text-anchor="middle">{tick:.4g}</text>')
        self.text((self.left + width) / 2, height - 12, x_label or "", anchor="middle")
        self.parts.append(f'<text transform="translate(18 {self.base / 2 + 20}) rotate(-90)" text-anchor="middle">{escaped(y_label)}</text>')

    def x(self, value):
        low, high = self.x_range
        return self.left + (self.width - self.left - 20) * (value - low) / (high - low)

    def y(self, value):
        low, high = self.y_range
        return self.base - (self.base - 40) * (value - low) / (high - low)

    def text(self, x, y, words, colour="#000", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escaped(words)}</text>')

    def save(self, path):
        path.write_text("\n".join(self.parts + ["</svg>", ""]))


def padded(values):
    low, high = min(values), max(values)
    margin = 0.06 * (high - low or 1)
    return low - margin, high + margin


def scatter(path, title, series, x_label="ms, one thread", y_label="validation accuracy, %"):
    """series: [(name, points (x, y), joined)]; a joined one is a curve with larger marks."""
    every = [p for _, points, _ in series for p in points]
    frame = Frame(title, padded([p[0] for p in every]), padded([p[1] for p in every]), x_label, y_label)
    for at, (name, points, joined) in enumerate(series):
        colour = COLOURS[at % len(COLOURS)]
        if joined and len(points) > 1:
            line = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y, *_ in sorted(points))
            frame.parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for x, y, *_ in points:
            frame.parts.append(f'<circle cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="{4.5 if joined else 3}" fill="{colour}" '
                               f'fill-opacity="{1 if joined else 0.45}"/>')
        frame.parts.append(f'<circle cx="{frame.width - 225}" cy="{frame.base - 16 - 18 * (len(series) - 1 - at)}" r="4.5" fill="{colour}"/>')
        frame.text(frame.width - 212, frame.base - 12 - 18 * (len(series) - 1 - at), name, colour)
    frame.save(path)


def curves(path, title, series, x_label, y_label):
    """series: [(name, [(x, mean, low, high)])], x on a logarithmic scale: lines with bars of their intervals."""
    log = [(name, [(math.log2(x), *rest) for x, *rest in points]) for name, points in series]
    every = [p for _, points in log for p in points]
    frame = Frame(title, padded([p[0] for p in every]), padded([v for p in every for v in p[1:]]), "", y_label)
    for x in sorted({p[0] for p in every}):
        frame.text(frame.x(x), frame.base + 18, f"{2 ** x:.0f}", anchor="middle")
    frame.text((frame.left + frame.width) / 2, frame.height - 12, x_label, anchor="middle")
    for at, (name, points) in enumerate(log):
        colour, shift = COLOURS[at % len(COLOURS)], 3 * (at - len(log) / 2)  # side by side, that bars do not cover each other
        line = "L".join(f"{frame.x(p[0]) + shift:.1f} {frame.y(p[1]):.1f}" for p in points)
        frame.parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for x, mean, low, high in points:
            frame.parts.append(f'<path d="M{frame.x(x) + shift:.1f} {frame.y(low):.1f}V{frame.y(high):.1f}" stroke="{colour}" stroke-width="1.5"/>'
                               f'<circle cx="{frame.x(x) + shift:.1f}" cy="{frame.y(mean):.1f}" r="3.5" fill="{colour}"/>')
        frame.text(frame.width - 225, 60 + 18 * at, name, colour)
    frame.save(path)


def bars(path, title, rows, x_label):
    """rows: [(name, mean, low, high)], horizontal, with a line at 0."""
    values = [v for row in rows for v in row[1:]] + [0.0]
    frame = Frame(title, padded(values), (0, len(rows)), x_label, "", height=110 + 34 * len(rows))
    frame.parts = [p for p in frame.parts if 'text-anchor="end"' not in p]
    for at, (name, mean, low, high) in enumerate(rows):
        y, colour = frame.y(len(rows) - at - 0.5), COLOURS[at % len(COLOURS)]
        frame.parts.append(f'<path d="M{frame.x(low):.1f} {y:.1f}H{frame.x(high):.1f}" stroke="{colour}" stroke-width="2"/>'
                           f'<circle cx="{frame.x(mean):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        frame.text(frame.left, y - 8, name, colour)
    frame.parts.append(f'<path d="M{frame.x(0):.1f} 40V{frame.base}" stroke="#000" stroke-dasharray="4 3"/>')
    frame.save(path)

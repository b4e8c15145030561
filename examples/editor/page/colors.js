// The colours of people.

// Each has a contrast of at least 4.5 with white.
const PALETTE = [
  '#b83280', '#4c51bf', '#1d6fb8', '#0b7a75', '#2f7d32', '#a65d00', '#c0323f', '#7a5548'
]

const READABLE = 4.5

export const anyColor = (taken = []) => {
  const free = PALETTE.filter(color => !taken.includes(color))
  const choices = free.length ? free : PALETTE
  return choices[Math.floor(Math.random() * choices.length)]
}

export const isColor = value => typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)

// Darken a colour until white text on it can be read.
export const readable = color => {
  let channels = channelsOf(color)
  while (contrastWithWhite(channels) < READABLE) {
    channels = channels.map(channel => Math.floor(channel * 0.95))
  }
  return toColor(channels)
}

// Change a colour by less than an eye sees, differently for each seed.
export const shade = (color, seed) => {
  const hash = Array.from(seed).reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 512, 0)
  const bits = [hash >> 6, hash >> 3, hash].map(part => part & 7)
  return toColor(channelsOf(color).map((channel, index) => (channel & ~7) | bits[index]))
}

const channelsOf = color => [1, 3, 5].map(start => parseInt(color.slice(start, start + 2), 16))

const toColor = channels =>
  '#' + channels.map(channel => channel.toString(16).padStart(2, '0')).join('')

// https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
const contrastWithWhite = channels => {
  const [red, green, blue] = channels.map(channel => {
    const part = channel / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
}

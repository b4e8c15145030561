// What others say of themselves, made fit to be shown: it may be anything that JSON can hold.

import { isColor, readable } from './colors.js'

const LONGEST_NAME = 32
const NOBODY = 'Anonymous'
const COLORLESS = '#5f6b7a'

// Control characters, and those that change the direction of the text around them.
const INVISIBLE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

export const personIn = state => {
  const { name, color } = state?.user ?? {}
  return { name: readName(name), color: isColor(color) ? readable(color) : COLORLESS }
}

const readName = name => {
  if (typeof name !== 'string') return NOBODY
  return Array.from(name.slice(0, 2 * LONGEST_NAME).replace(INVISIBLE, ' ').trim())
    .slice(0, LONGEST_NAME)
    .join('') || NOBODY
}

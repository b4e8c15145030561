// Who sits at this page: a name that can be edited and is remembered, and a colour.

import { anyColor } from './colors.js'
import { nameInMemory } from './memory.js'
import { personIn } from './person.js'

const ADJECTIVES = ['Brisk', 'Calm', 'Curious', 'Gentle', 'Merry', 'Quiet', 'Swift', 'Witty']
const ANIMALS = ['Badger', 'Finch', 'Hare', 'Heron', 'Lynx', 'Marten', 'Otter', 'Wren']

export const introduceMe = (provider, input) => {
  const { awareness } = provider
  let color = anyColor()
  const tell = () => {
    const name = input.value.trim() || input.placeholder
    awareness.setLocalStateField('user', { name, color, colorLight: color + '33' })
    document.documentElement.style.setProperty('--me', color)
  }
  // While this page is away somebody else may tell a state of it, which it gets when it returns.
  awareness.on('change', ({ added, updated }, origin) => {
    const isToldOfMe = origin !== 'local' && [...added, ...updated].includes(awareness.clientID)
    if (isToldOfMe && awareness.getLocalState()?.user?.color !== color) tell()
  })
  input.placeholder = `${any(ADJECTIVES)} ${any(ANIMALS)}`
  input.value = nameInMemory.get() ?? input.placeholder
  input.addEventListener('input', () => {
    nameInMemory.set(input.value.trim())
    tell()
  })
  // Now it is known who else is here.
  provider.once('sync', () => {
    const taken = colorsOfOthers(awareness)
    if (taken.includes(color)) color = anyColor(taken)
    tell()
  })
  tell()
}

const colorsOfOthers = awareness => Array.from(awareness.getStates())
  .filter(([client]) => client !== awareness.clientID)
  .map(([, state]) => personIn(state).color)

const any = choices => choices[Math.floor(Math.random() * choices.length)]

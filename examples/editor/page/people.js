// The list of who is here.

import { personIn } from './person.js'

export const showPeople = (awareness, { list, count }) => {
  let shown
  const show = () => {
    const people = peopleIn(awareness)
    // A change is mostly a cursor's.
    if (shown === JSON.stringify(people)) return
    shown = JSON.stringify(people)
    list.replaceChildren(...people.map(itemFor))
    count.textContent = people.length
  }
  awareness.on('change', show)
  show()
}

const peopleIn = awareness => Array.from(awareness.getStates())
  .map(([client, state]) => ({ ...personIn(state), isMe: client === awareness.clientID }))
  .sort((one, other) => other.isMe - one.isMe || one.name.localeCompare(other.name))

const itemFor = ({ name, color, isMe }) => {
  const item = make('li', 'person')
  item.style.setProperty('--color', color)
  const avatar = make('span', 'avatar', initialOf(name))
  avatar.ariaHidden = 'true'
  item.append(avatar, make('span', 'person-name', name))
  if (isMe) item.append(make('span', 'you', 'you'))
  return item
}

const make = (tag, className, text = '') => {
  const element = document.createElement(tag)
  element.className = className
  element.textContent = text
  return element
}

// What a reader takes for one character may be several for a program.
const initialOf = name => new Intl.Segmenter().segment(name).containing(0).segment.toUpperCase()

// Where the keyboard is, after what it was on was drawn anew, went to another place or went away. Browsers put it back
// to the beginning of the page then, and whoever works by keys, or listens, has lost their place.

interface Held {
  element: HTMLElement
  /** What it is in, from the inside out. */
  within: HTMLElement[]
  /** Its place among what stands beside it in a list. */
  index: number
}

let held: Held | null = null

const LIST = 'ul, ol'
const FOCUSABLE = 'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary'

function remember(element: HTMLElement): void {
  const within: HTMLElement[] = []
  for (let up = element.parentElement; up && up !== document.body; up = up.parentElement) within.push(up)
  const item = element.closest('li')
  held = { element, within, index: item ? [...(item.parentElement?.children ?? [])].indexOf(item) : 0 }
}

addEventListener('focusin', (event) => {
  if (event.target instanceof HTMLElement && event.target !== document.body) remember(event.target)
})

addEventListener('focusout', () => {
  // Somebody took it away themselves. What is removed or moved loses it as well, and has it again by then.
  setTimeout(() => {
    if (document.activeElement === document.body && held?.element.isConnected) held = null
  })
})

const isShown = (element: HTMLElement) => element.getClientRects().length > 0

/** The same thing, drawn anew elsewhere: what leads to the same place or is called the same. */
function again({ element }: Held): HTMLElement | null {
  const href = element.getAttribute('href')
  const label = element.getAttribute('aria-label')
  const called = href ? `[href="${CSS.escape(href)}"]` : element.id ? `#${CSS.escape(element.id)}` : label ? `[aria-label="${CSS.escape(label)}"]` : ''
  if (!called) return null
  // The pill at the top and a card may lead to the same place.
  const isAlike = (one: HTMLElement) => isShown(one) && one.classList[0] === element.classList[0]
  const same = [...document.querySelectorAll<HTMLElement>(`${element.localName}${called}`)].filter(isAlike)
  return same.length === 1 ? same[0]! : null
}

/** What stands now where it was: the same control of the next one in its list, or else what the list or the control was in. */
function beside({ element, within, index }: Held): HTMLElement | null {
  const near = within.find((one) => one.isConnected && isShown(one))
  const item = near?.matches(LIST) ? near.children[Math.min(index, near.children.length - 1)] : undefined
  const controls = [...(item?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])]
  const alike = controls.find((one) => one.localName === element.localName && one.className === element.className) ?? controls[0]
  return alike ?? near?.closest<HTMLElement>('section, dialog, main, aside') ?? document.getElementById('content')
}

/** Keeps the focus from falling into nothing, within this element. */
export function keepFocus(root: HTMLElement): void {
  new MutationObserver((changes) => {
    const was = held
    if (!was || document.activeElement !== document.body) return
    const isGone = changes.some(({ removedNodes }) => [...removedNodes].some((node) => node === was.element || node.contains(was.element)))
    if (!isGone) return
    const next = was.element.isConnected && isShown(was.element) ? was.element : (again(was) ?? beside(was))
    if (!next) return
    if (!next.matches(FOCUSABLE) && !next.hasAttribute('tabindex')) next.tabIndex = -1
    next.focus({ preventScroll: true })
  }).observe(root, { childList: true, subtree: true })
}

// Buttons that come up under a finger: what was meant for something else, or is the second half of a double tap, must
// not press them.

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

/** Two taps of a double tap are this far apart, and nobody has read what came up within it. */
const UNREAD_MS = 500

/** What a button needs that does something which cannot be taken back. It counts from when it comes up. */
export function useArmed(): (act: () => void) => { 'aria-disabled': boolean; onClick: (event: Event) => void } {
  const isArmed = useSignal(false)
  useEffect(() => {
    const timer = setTimeout(() => (isArmed.value = true), UNREAD_MS)
    return () => clearTimeout(timer)
  }, [])
  return (act) => ({
    'aria-disabled': !isArmed.value,
    onClick: (event) => {
      event.preventDefault()
      if (isArmed.peek()) act()
    },
  })
}

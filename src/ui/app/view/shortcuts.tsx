// The keys that act, as a list to look at: drawn from the same table that does them.

import { X } from 'lucide-preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { active, listed, SHORTCUTS, type Shortcut } from '../state/shortcuts'
import { t } from '../words'

const GROUPS = ['anywhere', 'list', 'session'] as const
const SHOWN: Record<string, string> = { ArrowDown: '↓', ArrowUp: '↑', Escape: 'Esc' }

export function Shortcuts() {
  const dialog = useRef<HTMLDialogElement>(null)
  const isOpen = listed.value
  // With what is drawn and not a frame later: a key that is pressed in between would go to what is behind it.
  useLayoutEffect(() => {
    if (isOpen) dialog.current?.showModal()
  }, [isOpen])
  if (!isOpen) return null
  // By the dialog itself, which gives the focus back.
  const close = () => dialog.current?.close()
  return (
    <dialog ref={dialog} class="dialog keyboard" aria-labelledby="keyboard-title" onClose={() => (listed.value = false)}>
      <header class="keyboard-head">
        <h2 id="keyboard-title">{t('keyboard.title')}</h2>
        <button class="icon-button" aria-label={t('keyboard.close')} onClick={close}><X size={20} aria-hidden="true" /></button>
      </header>
      <label class="switch">
        <input type="checkbox" checked={active.value} onChange={(event) => (active.value = event.currentTarget.checked)} />
        <span>{t('keyboard.on')} <span class="quiet small">{t(active.value ? 'keyboard.never' : 'keyboard.off')}</span></span>
      </label>
      {GROUPS.map((group) => (
        <section key={group} class={active.value ? '' : 'quiet'}>
          <h3 class="group">{t(`keyboard.group.${group}`)}</h3>
          <dl class="keys">
            {SHORTCUTS.filter((one) => one.group === group).map((one) => (
              <div key={one.word}>
                <dt>{t(one.word)}</dt>
                <dd><Keys of={one} /></dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </dialog>
  )
}

function Keys({ of }: { of: Shortcut }) {
  return (
    <>
      {of.keys.map((keys, index) => (
        <>
          {index > 0 && <span class="quiet small"> {t('keyboard.or')} </span>}
          {keys.split(' ').map((key, at) => (
            <>
              {at > 0 && <span class="quiet small"> {t('keyboard.then')} </span>}
              <kbd>{SHOWN[key] ?? key}</kbd>
            </>
          ))}
        </>
      ))}
    </>
  )
}

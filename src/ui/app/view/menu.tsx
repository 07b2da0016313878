import { Bell, Download, Keyboard, Laptop, LogOut, Wrench } from 'lucide-preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { Failure } from '../api'
import { me, signOut } from '../state/me'
import { install, installing } from '../state/installed'
import { contrast, theme } from '../state/look'
import { go, type Place } from '../state/place'
import { listed } from '../state/shortcuts'
import { chosen, language, LANGUAGES, t, type Language } from '../words'
import type { Word } from '../words/en'
import { confirm, tell } from './dialog'

const THEMES = ['auto', 'light', 'dark'] as const
const CONTRASTS = ['auto', 'more'] as const

/** Screens that are no session. Another one is another line. */
const PAGES: readonly { to: Place; word: Word; icon: typeof Laptop }[] = [
  { to: { name: 'notifications' }, word: 'notify.title', icon: Bell },
  { to: { name: 'devices' }, word: 'devices.title', icon: Laptop },
  { to: { name: 'admin', tab: 'keys' }, word: 'admin.title', icon: Wrench },
]

/** Where the browser lets us ask, it is asked; where not, the way is told. */
async function offerInstall(): Promise<void> {
  const how = installing()
  if (how === 'ready') {
    if (await confirm(t('install.ready'), { yes: t('install.now') })) await install()
  } else await tell(t(how === 'ios' ? 'install.ios' : 'install.how'))
}

/** Only the server can end what it let in, so without it nobody is told that they left. */
async function leave(): Promise<void> {
  try {
    await signOut(false)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    await tell(error.status === 0 ? t('error.offline') : error.message)
  }
}

export function Menu({ close }: { close: () => void }) {
  const box = useRef<HTMLDivElement>(null)
  // With what is drawn and not a frame later: a key that is pressed in between would be lost, or act as a shortcut.
  useLayoutEffect(() => {
    box.current?.querySelector<HTMLElement>('select, button')?.focus()
    const leave = (event: Event) => {
      if (event instanceof KeyboardEvent) {
        if (event.key !== 'Escape') return
        box.current?.parentElement?.querySelector<HTMLElement>('[aria-expanded]')?.focus()
      } else if (box.current?.parentElement?.contains(event.target as Node)) return
      close()
    }
    document.addEventListener('keydown', leave)
    document.addEventListener('pointerdown', leave)
    return () => {
      document.removeEventListener('keydown', leave)
      document.removeEventListener('pointerdown', leave)
    }
  }, [])
  const who = me.value
  return (
    <div class="menu" ref={box}>
      <label>
        <span>{t('menu.language')}</span>
        <select value={language.value} onChange={(event) => (chosen.value = event.currentTarget.value as Language)}>
          {Object.entries(LANGUAGES).map(([tag, name]) => <option key={tag} value={tag}>{name}</option>)}
        </select>
      </label>
      <label>
        <span>{t('menu.theme')}</span>
        <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as (typeof THEMES)[number])}>
          {THEMES.map((one) => <option key={one} value={one}>{t(`menu.theme.${one}`)}</option>)}
        </select>
      </label>
      <label>
        <span>{t('menu.contrast')}</span>
        <select value={contrast.value} onChange={(event) => (contrast.value = event.currentTarget.value as (typeof CONTRASTS)[number])}>
          {CONTRASTS.map((one) => <option key={one} value={one}>{t(`menu.contrast.${one}`)}</option>)}
        </select>
      </label>
      {PAGES.map(({ to, word, icon: Icon }) => (
        <button key={word} class="menu-row" onClick={() => { go(to); close() }}>
          <Icon size={18} aria-hidden="true" />
          {t(word)}
        </button>
      ))}
      <button class="menu-row" onClick={() => { close(); listed.value = true }}>
        <Keyboard size={18} aria-hidden="true" />
        {t('menu.shortcuts')}
      </button>
      {installing() !== 'done' && (
        <button class="menu-row" onClick={() => { close(); void offerInstall() }}>
          <Download size={18} aria-hidden="true" />
          {t('menu.install')}
        </button>
      )}
      {who?.device && (
        <button class="menu-row" onClick={() => { close(); void leave() }}>
          <LogOut size={18} aria-hidden="true" />
          {t('devices.signout')}
        </button>
      )}
    </div>
  )
}

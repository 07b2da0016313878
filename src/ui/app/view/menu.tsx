import { Bell, Laptop, LogOut } from 'lucide-preact'
import { useEffect, useRef } from 'preact/hooks'
import { me, signOut } from '../state/me'
import { theme } from '../state/look'
import { go } from '../state/place'
import { chosen, language, LANGUAGES, t, type Language } from '../words'

const THEMES = ['auto', 'light', 'dark'] as const

export function Menu({ close }: { close: () => void }) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    box.current?.querySelector<HTMLElement>('select, button')?.focus()
    const leave = (event: Event) => {
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !box.current?.parentElement?.contains(event.target as Node)) close()
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
      <button class="menu-row" onClick={() => { go({ name: 'notifications' }); close() }}>
        <Bell size={18} aria-hidden="true" />
        {t('notify.title')}
      </button>
      <button class="menu-row" onClick={() => { go({ name: 'devices' }); close() }}>
        <Laptop size={18} aria-hidden="true" />
        {t('devices.title')}
      </button>
      {who?.device && (
        <button class="menu-row" onClick={() => { close(); void signOut(false) }}>
          <LogOut size={18} aria-hidden="true" />
          {t('devices.signout')}
        </button>
      )}
    </div>
  )
}

// The screens for looking after a server. Fetched when first opened.

import { ArrowLeft } from 'lucide-preact'
import { useEffect, useRef } from 'preact/hooks'
import { me } from '../../state/me'
import { follow, place, type Place } from '../../state/place'
import { t } from '../../words'
import type { Word } from '../../words/en'
import type { Me } from '../../types'
import '../../style/admin.css'
import { Audit } from './audit'
import { Devices } from './devices'
import { Keys } from './keys'
import { Machines } from './machines'
import { Storage } from './storage'
import { Streams } from './streams'

interface Tab {
  to: Place
  word: Word
  view: () => preact.JSX.Element
  /** The least that one must be to see anything there. */
  roles: readonly Me['role'][]
}

const ALL = ['viewer', 'runner', 'member', 'admin'] as const

const TABS: readonly Tab[] = [
  { to: { name: 'admin', tab: 'keys' }, word: 'admin.keys', view: Keys, roles: ['member', 'admin'] },
  { to: { name: 'devices' }, word: 'admin.devices', view: Devices, roles: ALL },
  { to: { name: 'admin', tab: 'machines' }, word: 'admin.machines', view: Machines, roles: ['viewer', 'member', 'admin'] },
  { to: { name: 'admin', tab: 'streams' }, word: 'admin.streams', view: Streams, roles: ALL },
  { to: { name: 'admin', tab: 'storage' }, word: 'admin.storage', view: Storage, roles: ['admin'] },
  { to: { name: 'admin', tab: 'audit' }, word: 'admin.audit', view: Audit, roles: ['admin'] },
]

export function Admin() {
  const role = me.value?.role ?? 'viewer'
  const mine = TABS.filter((tab) => tab.roles.includes(role))
  const here = place.value
  const open = mine.find(({ to }) => to.name === here.name && (to.name !== 'admin' || here.name !== 'admin' || to.tab === here.tab)) ?? mine[0]!
  const View = open.view
  const tabs = useRef<HTMLElement>(null)
  // On a phone not all of them fit.
  useEffect(() => tabs.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }), [open])
  return (
    <div class="page">
      <header class="talk-head">
        <a class="icon-button back" {...follow({ name: 'home' })} aria-label={t('session.back')}><ArrowLeft size={20} aria-hidden="true" /></a>
        <h1>{t('admin.title')}</h1>
      </header>
      <nav ref={tabs} class="tabs" aria-label={t('admin.title')}>
        {mine.map((tab) => <a key={tab.word} {...follow(tab.to)} aria-current={tab === open ? 'page' : undefined}>{t(tab.word)}</a>)}
      </nav>
      <div class="page-body admin" key={open.word}>
        <h2 class="sr">{t(open.word)}</h2>
        <View />
      </div>
    </div>
  )
}

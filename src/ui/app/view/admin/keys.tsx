// API keys: who has one, what it opens, and what stops when it is taken away.

import { KeyRound, Plus } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { call } from '../../api'
import { clockOffsetMs } from '../../state/overview'
import { now } from '../../state/look'
import { devices, loadDevices, me, signOutHere } from '../../state/me'
import { plain } from '../../text/plain'
import { ago, day, t } from '../../words'
import type { Key, Page } from '../../types'
import { confirm } from '../dialog'
import { NewKey } from './new-key'
import { Problem, useAttempt, useStart } from './parts'
import { Signing } from './signing'

export function Keys() {
  const { problem, attempt } = useAttempt()
  const keys = useSignal<Key[] | null>(null)
  const making = useSignal(false)
  const load = async () => {
    const all: Key[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const page: Page<Key> = await call('GET', `/keys?limit=1000${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
      all.push(...page.items)
      cursor = page.next
    }
    keys.value = all
  }
  useStart(() => attempt(() => Promise.all([load(), loadDevices()])))
  const time = now.value + clockOffsetMs.value
  const isGood = (key: Key) => !key.revoked_at && !(key.expires_at && Date.parse(key.expires_at) <= time)
  const good = keys.value?.filter(isGood) ?? []
  const old = keys.value?.filter((key) => !isGood(key)) ?? []
  const revoke = (key: Key) => attempt(async () => {
    const mine = key.id === me.value?.key_id
    const riding = devices.value.filter((device) => device.key_id === key.id && !device.signed_out_at && !device.current).length
    const words = [
      t('keys.revoke.sure', { name: plain(key.name) }),
      ...(riding > 0 ? [t('keys.revoke.devices', { n: riding })] : []),
      ...(mine ? [t('keys.revoke.this')] : []),
    ]
    if (!(await confirm(words.join('\n\n'), { yes: t('keys.revoke'), grave: true }))) return
    await call('DELETE', `/keys/${key.id}`)
    if (mine) signOutHere()
    else await load()
  })
  return (
    <>
      <Problem text={problem.value} />
      {making.value ? (
        <NewKey made={() => void attempt(load)} close={() => (making.value = false)} />
      ) : (
        <div class="page-actions">
          <button class="button button-main" onClick={() => (making.value = true)}><Plus size={18} aria-hidden="true" /> {t('keys.new')}</button>
        </div>
      )}
      {keys.value === null && !problem.value && <p class="quiet" aria-busy="true">{t('home.loading')}</p>}
      <ul class="rows">{good.map((key) => <Row key={key.id} of={key} time={time} revoke={() => void revoke(key)} />)}</ul>
      {old.length > 0 && (
        <details class="old">
          <summary>{t('keys.old', { n: old.length })}</summary>
          <ul class="rows">{old.map((key) => <Row key={key.id} of={key} time={time} />)}</ul>
        </details>
      )}
      {me.value?.role === 'admin' && <Signing />}
    </>
  )
}

function Row({ of: key, time, revoke }: { of: Key; time: number; revoke?: () => void }) {
  const isMine = key.owner_id === me.value?.owner_id
  const state = key.revoked_at
    ? t('keys.revoked', { when: ago(key.revoked_at, time) })
    : key.expires_at && t(Date.parse(key.expires_at) <= time ? 'keys.expired' : 'keys.until', { when: day(key.expires_at) })
  const told = [
    isMine ? t('admin.yours') : t('keys.owner.other', { owner: key.owner_id.slice(-6) }),
    key.used_at ? t('keys.used', { when: ago(key.used_at, time) }) : t('keys.unused'),
    ...(state ? [state] : []),
    ...(key.configured ? [t('keys.configured')] : []),
  ]
  return (
    <li class={revoke ? 'row' : 'row gone'}>
      <KeyRound size={20} aria-hidden="true" />
      <div class="row-text">
        <span class="row-title">
          <bdi>{plain(key.name)}</bdi>
          <span class={`tag role-${key.role}`}>{t(`role.${key.role}`)}</span>
          {key.id === me.value?.key_id && <span class="tag">{t('keys.this')}</span>}
        </span>
        <span class="quiet small">{told.join(' · ')}</span>
      </div>
      {revoke && <button class="button" aria-label={`${t('keys.revoke')}: ${plain(key.name)}`} onClick={revoke}>{t('keys.revoke')}</button>}
    </li>
  )
}

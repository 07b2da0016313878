// A new key: asked for, shown once, and what to do with it.

import { useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { BASE, call, Failure } from '../../api'
import { me } from '../../state/me'
import { plain } from '../../text/plain'
import { t } from '../../words'
import type { Key, Me, Problem as Told } from '../../types'
import { linkHere, LoginLink } from './devices'
import { Problem, Takeaway, useAttempt } from './parts'

const ROLES = ['viewer', 'runner', 'member', 'admin'] as const
const DAYS = [1, 7, 30, 90, 365] as const
const DAY_SECONDS = 86_400

interface Made {
  key: Key
  secret: string
}

export function NewKey({ made: told, close }: { made: () => void; close: () => void }) {
  const { problem, busy, attempt } = useAttempt()
  const made = useSignal<Made | null>(null)
  const role = useSignal<Me['role']>('member')
  const isAdmin = me.value?.role === 'admin'
  const name = useRef<HTMLInputElement>(null)
  // With what is drawn and not a frame later: a key that is pressed in between would be lost, or act as a shortcut.
  useLayoutEffect(() => name.current?.focus(), [])
  if (made.value) return <Secret {...made.value} close={close} />
  return (
    <form class="card form" onSubmit={(event) => {
      event.preventDefault()
      const given = new FormData(event.currentTarget)
      const days = Number(given.get('days'))
      void attempt(async () => {
        made.value = await call<Made>('POST', '/keys', {
          name: String(given.get('name')),
          role: role.value,
          owner: given.get('owner') ?? 'mine',
          ...(days > 0 ? { expires_in: days * DAY_SECONDS } : {}),
        })
        told()
      })
    }}>
      <Problem text={problem.value} />
      <label for="key-name">{t('keys.name')}</label>
      <input ref={name} id="key-name" name="name" class="field" required maxLength={200} autocomplete="off" placeholder={t('keys.name.hint')} />
      <label for="key-role">{t('keys.role')}</label>
      <select id="key-role" class="field" value={role.value} aria-describedby="key-role-may" onChange={(event) => (role.value = event.currentTarget.value as Me['role'])}>
        {ROLES.filter((one) => isAdmin || one !== 'admin').map((one) => <option key={one} value={one}>{t(`role.${one}`)}</option>)}
      </select>
      <p id="key-role-may" class="quiet small">{t(`role.${role.value}.may`)}</p>
      <label for="key-days">{t('keys.expiry')}</label>
      <select id="key-days" name="days" class="field">
        <option value="0">{t('keys.expiry.never')}</option>
        {DAYS.map((days) => <option key={days} value={days}>{t('keys.expiry.days', { n: days })}</option>)}
      </select>
      {isAdmin && (
        <>
          <label for="key-owner">{t('keys.owner')}</label>
          <select id="key-owner" name="owner" class="field">
            <option value="mine">{t('keys.owner.mine')}</option>
            <option value="new">{t('keys.owner.new')}</option>
          </select>
        </>
      )}
      <div class="dialog-buttons">
        <button type="button" class="button" onClick={close}>{t('dialog.cancel')}</button>
        <button class="button button-main" disabled={busy.value}>{t('keys.make')}</button>
      </div>
    </form>
  )
}

function Secret({ key, secret, close }: Made & { close: () => void }) {
  const { problem, attempt } = useAttempt()
  const link = useSignal<{ url: string; until: string } | null>(null)
  const heading = useRef<HTMLHeadingElement>(null)
  useLayoutEffect(() => heading.current?.focus(), [])
  const here = location.origin
  const uses = [
    ...(key.role === 'viewer' ? [] : [
      ['keys.use.ccb', `export CLAUDE_BRIDGE_BASE_URL=${here}\nexport CLAUDE_BRIDGE_OAUTH_TOKEN=${secret}\nccb remote-control`] as const,
      ['keys.use.acp', `export ACP_RCS_URL=${here} ACP_RCS_TOKEN=${secret} ACP_RCS_GROUP=laptop\nacp-link qwen -- --acp`] as const,
    ]),
    ...(key.role === 'runner' ? [] : [['keys.use.ctl', `export RCS_SERVER=${here}\nexport RCS_API_KEY=${secret}\nrcsctl status`] as const]),
  ]
  return (
    <section class="card secret" aria-labelledby="secret-title">
      <h3 id="secret-title" ref={heading} tabIndex={-1}>{t('keys.made', { name: plain(key.name) })}</h3>
      <p>{t('keys.made.once')}</p>
      <Takeaway text={secret} label={t('keys.secret')} />
      {uses.map(([word, text]) => (
        <details key={word}>
          <summary>{t(word)}</summary>
          <Takeaway text={text} label={t(word)} />
        </details>
      ))}
      <Problem text={problem.value} />
      {link.value ? <LoginLink {...link.value} how={t('keys.phone.how')} /> : null}
      <div class="dialog-buttons">
        {key.role !== 'runner' && !link.value && (
          <button class="button" onClick={() => void attempt(async () => (link.value = await linkFor(secret)))}>{t('keys.phone')}</button>
        )}
        <button class="button button-main" onClick={close}>{t('keys.done')}</button>
      </div>
    </section>
  )
}

/** A link that acts for the new key and not for ours: asked for with its own secret. */
async function linkFor(secret: string): Promise<{ url: string; until: string }> {
  const answer = await fetch(`${BASE}/login-links`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } }).catch(() => {
    throw new Failure(null, 0, 'offline')
  })
  if (!answer.ok) {
    const told = (await answer.json().catch(() => null)) as Told | null
    throw new Failure(told, answer.status, told?.detail ?? answer.statusText)
  }
  const made = (await answer.json()) as { url: string; expires_at: string }
  return { url: linkHere(made.url), until: made.expires_at }
}

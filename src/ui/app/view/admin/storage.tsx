// What is kept, how its disk is, whether it is still what was written, and a copy of it.

import { Download, ShieldCheck, ShieldX } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { BASE, call, Failure, readStream } from '../../api'
import { now } from '../../state/look'
import { clockOffsetMs } from '../../state/overview'
import { plain } from '../../text/plain'
import { ago, bytes, clock, day, number, span, t } from '../../words'
import type { Commit, ServerStatus, Verification } from '../../types'
import { Facts, Problem, Takeaway, useAttempt, useStart } from './parts'

/** Commits that are shown, and records that are looked through for them. */
const COMMITS = 8
const RECORDS = 200
/** What the server itself wants to have left for a backup. */
const LOW_BYTES = 256 * 1024 * 1024

export function Storage() {
  const { problem, attempt } = useAttempt()
  const status = useSignal<ServerStatus | null>(null)
  const commits = useSignal<Commit[]>([])
  const load = () => attempt(async () => {
    const found = await call<ServerStatus>('GET', '/status')
    const from = Math.max(1, found.tail - RECORDS + 1)
    const page = await call<{ commits: Commit[] }>('GET', `/audit/commits?from=${from}&limit=${RECORDS}`)
    status.value = found
    commits.value = page.commits.slice(-COMMITS).reverse()
  })
  useStart(load)
  if (!status.value) return problem.value ? <Problem text={problem.value} /> : <p class="quiet" aria-busy="true">{t('home.loading')}</p>
  const { storage, counts, version, tail, queue_depth } = status.value
  const time = now.value + clockOffsetMs.value
  const micros = (value: number) => span(value / 1e6)
  const kept = [
    ...(storage?.kept.archived_seconds === undefined ? [] : [t('storage.kept.archived', { span: span(storage.kept.archived_seconds) })]),
    ...(storage?.kept.age_seconds === undefined ? [] : [t('storage.kept.age', { span: span(storage.kept.age_seconds) })]),
    ...(storage?.kept.events === undefined ? [] : [t('storage.kept.events', { n: storage.kept.events })]),
    ...(storage?.kept.streams_seconds === undefined ? [] : [t('storage.kept.streams', { span: span(storage.kept.streams_seconds) })]),
  ]
  return (
    <>
      <Problem text={problem.value} />
      {storage?.free_bytes !== undefined && storage.free_bytes < (storage.file_bytes ?? 0) + LOW_BYTES && <p class="problem" role="alert">{t('storage.low')}</p>}
      <Facts of={[
        [t('storage.file'), storage?.file_bytes === undefined ? t('storage.memory') : bytes(storage.file_bytes)],
        storage?.free_bytes === undefined ? null : [t('storage.free'), bytes(storage.free_bytes)],
        [t('storage.records'), number(tail)],
        [t('storage.sessions'), t('storage.sessions.of', { n: counts.sessions + counts.sessions_archived, archived: counts.sessions_archived })],
        storage && [t('storage.streams'), number(storage.streams)],
        storage?.oldest_at ? [t('storage.oldest'), day(storage.oldest_at)] : null,
        [t('storage.kept'), kept.length === 0 ? t('storage.kept.all') : kept.join(', ')],
        storage?.commit_times ? [t('storage.commit'), t('storage.commit.of', { median: micros(storage.commit_times.median_micros), slow: micros(storage.commit_times.slow_micros) })] : null,
        [t('storage.queue'), t('storage.queue.of', { n: queue_depth })],
        [t('storage.version'), version],
      ]} />
      <section class="card form" aria-labelledby="backup-title">
        <h3 id="backup-title">{t('storage.backup')}</h3>
        <p class="quiet">{t('storage.backup.what')}</p>
        <p class="small">{storage?.last_backup ? t('storage.backup.last', { when: ago(storage.last_backup.at, time), size: bytes(storage.last_backup.bytes) }) : t('storage.backup.never')}</p>
        <div class="dialog-buttons">
          <a class="button" href={`${BASE}/backup`} download><Download size={18} aria-hidden="true" /> {t('storage.backup.get')}</a>
        </div>
      </section>
      <Verify />
      <section aria-labelledby="commits-title">
        <h3 id="commits-title">{t('storage.commits')}</h3>
        <ul class="commits">
          {commits.value.map((commit) => (
            <li key={commit.last}>
              <span class="small">{number(commit.first)}{commit.last !== commit.first && `–${number(commit.last)}`}</span>
              <time class="quiet small" dateTime={commit.at}>{ago(commit.at, time)}, {clock(commit.at, now.value)}</time>
              <code title={t('storage.commits.link')}>{commit.link}</code>
            </li>
          ))}
        </ul>
      </section>
    </>
  )
}

function Verify() {
  const { problem, busy, attempt } = useAttempt()
  const at = useSignal<{ position: number; tail: number } | null>(null)
  const found = useSignal<Verification | null>(null)
  const walk = useRef<AbortController>()
  useEffect(() => () => walk.current?.abort(), [])
  const verify = () => attempt(async () => {
    const { signal } = (walk.current = new AbortController())
    found.value = null
    at.value = { position: 0, tail: 1 }
    try {
      await readStream('/audit/verify', signal, () => undefined, ({ event, data }) => {
        const told = JSON.parse(data)
        if (event === 'progress') at.value = told
        else if (event === 'verified') found.value = told
        else if (event === 'problem') throw new Failure(told, told.status, told.detail)
      }, 'POST')
      // It ended and said nothing: the server went away.
      if (!found.value) throw new Failure(null, 0, 'offline')
    } finally {
      at.value = null
    }
  })
  const verdict = found.value
  return (
    <section class="card form" aria-labelledby="verify-title">
      <h3 id="verify-title">{t('storage.verify')}</h3>
      <p class="quiet">{t('storage.verify.what')}</p>
      <Problem text={problem.value} />
      {at.value && (
        <p class="walk">
          <progress aria-label={t('storage.verify')} value={at.value.position} max={at.value.tail} />
          <span class="small">{t('storage.verify.at', { n: at.value.position, most: number(at.value.tail) })}</span>
        </p>
      )}
      <div role="status">
        {verdict?.clean && (
          <>
            <p class="verdict good"><ShieldCheck size={20} aria-hidden="true" /> {t('storage.verify.clean', { n: verdict.records, commits: verdict.commits, trimmed: verdict.trimmed })}</p>
            <p class="small quiet">{t('storage.verify.head')}</p>
            <Takeaway text={verdict.head} label={t('storage.verify.head')} />
          </>
        )}
        {verdict?.fault && (
          <p class="verdict bad"><ShieldX size={20} aria-hidden="true" /> {t('storage.verify.fault', { position: verdict.fault.position, reason: plain(verdict.fault.reason) })} {t('storage.verify.keep')}</p>
        )}
      </div>
      <div class="dialog-buttons">
        <button class="button" disabled={busy.value} onClick={() => void verify()}>{t('storage.verify.now')}</button>
      </div>
    </section>
  )
}

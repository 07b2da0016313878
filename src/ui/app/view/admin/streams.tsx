// Who is woken when streams grow, to look at. They are made and ended through the streams' own API.

import { Radio, Webhook } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import { call } from '../../api'
import { now } from '../../state/look'
import { clockOffsetMs } from '../../state/overview'
import { plain } from '../../text/plain'
import { ago, moment, t } from '../../words'
import type { Page, Subscription } from '../../types'
import { Problem, useAttempt, useStart } from './parts'

export function Streams() {
  const { problem, attempt } = useAttempt()
  const list = useSignal<Subscription[] | null>(null)
  useStart(() => attempt(async () => {
    list.value = (await call<Page<Subscription>>('GET', '/subscriptions?limit=1000')).items
  }))
  return (
    <>
      <p class="quiet">{t('streams.what')}</p>
      <Problem text={problem.value} />
      {list.value?.length === 0 && <p>{t('streams.none')}</p>}
      <ul class="rows">
        {list.value?.map((one) => {
          const told = [
            one.delivery.type === 'webhook' ? t('streams.webhook', { host: plain(one.delivery.host) }) : t('streams.pull', { stream: plain(one.delivery.stream) }),
            t('streams.follows', { n: one.streams, pending: one.streams_pending }),
            t('streams.wakes', { n: one.generation }),
            ago(one.created_at, now.value + clockOffsetMs.value),
          ]
          return (
            <li key={one.id} class="row">
              {one.delivery.type === 'webhook' ? <Webhook size={20} aria-hidden="true" /> : <Radio size={20} aria-hidden="true" />}
              <div class="row-text">
                <span class="row-title"><bdi>{plain(one.name)}</bdi> {one.pattern && <code class="small">{plain(one.pattern)}</code>}</span>
                <span class="quiet small">{told.join(' · ')}</span>
                {one.failures > 0 && <span class="bad small">{t('streams.failures', { n: one.failures, when: one.retry_at ? moment(one.retry_at) : '–' })}</span>}
              </div>
              <span class={`tag ${one.state === 'idle' ? 'tag-quiet' : ''}`}>{t(`streams.${one.state}`)}</span>
            </li>
          )
        })}
      </ul>
    </>
  )
}

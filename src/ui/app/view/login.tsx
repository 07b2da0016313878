import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { Failure } from '../api'
import { signIn } from '../state/me'
import { go, place } from '../state/place'
import { span, t } from '../words'
import { Mark } from './app'

export function Login() {
  const problem = useSignal('')
  const busy = useSignal(false)

  const enter = async (body: { link: string } | { key: string }) => {
    busy.value = true
    problem.value = ''
    try {
      await signIn(body)
      if (place.value.name === 'login') go({ name: 'home' }, true)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      problem.value = why(error, 'link' in body)
    } finally {
      busy.value = false
    }
  }

  useEffect(() => {
    const follow = () => {
      const link = location.hash.slice(1)
      if (place.value.name !== 'login' || !link) return
      // Out of the address bar and the history before anything else happens.
      history.replaceState(null, '', location.pathname)
      void enter({ link })
    }
    follow()
    // Another link that is pasted over a used one loads no page.
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])

  return (
    <main class="alone">
      <form
        class="card login"
        onSubmit={(event) => {
          event.preventDefault()
          const key = String(new FormData(event.currentTarget).get('key') ?? '').trim()
          if (key) void enter({ key })
        }}
      >
        <Mark />
        <h1>{t('login.title')}</h1>
        <p class="quiet">{before(t('login.how'))}<code>rcsctl login-link</code>{after(t('login.how'))}</p>
        <label for="key">{t('login.key')}</label>
        <input id="key" name="key" class="field" type="password" autocomplete="current-password" autocapitalize="off" spellcheck={false} required />
        {problem.value && <p class="problem" role="alert">{problem.value}</p>}
        <button class="button button-main button-wide" disabled={busy.value}>{busy.value ? t('login.link') : t('login.submit')}</button>
        <p class="quiet small">{t('login.note')}</p>
      </form>
    </main>
  )
}

/** What went wrong, and what to do about it. */
function why(failure: Failure, byLink: boolean): string {
  if (failure.status === 0) return t('error.offline')
  if (failure.status === 429) return t('login.throttled', { span: span(failure.problem?.retry_after ?? 60) })
  // A link whose key was revoked since is worth as little as one that was used.
  if (byLink && (failure.status === 401 || failure.status === 404)) return t('login.expired', { command: 'rcsctl login-link' })
  if (failure.status === 401) return t('login.key.wrong')
  if (failure.kind === 'forbidden') return t('login.role')
  return failure.message
}

// The command stands where each language wants it; a value that is filled in comes out empty here.
const MARK = '\u0000'
const parts = (text: string) => text.split(MARK)
const before = (_: string) => parts(t('login.how', { command: MARK }))[0]
const after = (_: string) => parts(t('login.how', { command: MARK }))[1]

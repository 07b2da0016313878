// What an agent did, on one line that opens; and the same in full, which is what a question about it shows.

import { Bot, CircleAlert, CircleCheck, FilePen, FileText, Globe, ListTodo, LoaderCircle, Search, Terminal, Wrench } from 'lucide-preact'
import { useSignal } from '@preact/signals'
import type { Change } from '../state/acp'
import type { Tool } from '../state/fold'
import { plain } from '../text/plain'
import { t } from '../words'
import { Diff } from './diff'
import { Code, Markdown, Output } from './rich'

type Input = Record<string, unknown>

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

const ICONS: Record<string, typeof Wrench> = {
  Bash: Terminal, PowerShell: Terminal, Edit: FilePen, MultiEdit: FilePen, Write: FilePen, NotebookEdit: FilePen,
  execute: Terminal, edit: FilePen, delete: FilePen, move: FilePen, read: FileText, search: Search, fetch: Globe, think: ListTodo,
  Read: FileText, Grep: Search, Glob: Search, WebSearch: Globe, WebFetch: Globe, TodoWrite: ListTodo, Task: Bot, Agent: Bot,
}

/** The one thing that tells this use of a tool from the next. */
export function subject(name: string, input: Input): string {
  switch (name) {
    case 'TodoWrite':
      return Array.isArray(input.todos) ? `${input.todos.filter((todo) => (todo as Input).status === 'completed').length}/${input.todos.length}` : ''
    case 'Task':
    case 'Agent':
      return text(input.description) || text(input.prompt)
    default:
      return text(input.command) || text(input.file_path) || text(input.notebook_path) || text(input.pattern) || text(input.url) ||
        text(input.query) || text(input.path) || text(input.description) || text(input.plan).split('\n')[0] || ''
  }
}

export function ToolRow({ tool }: { tool: Tool }) {
  const open = useSignal(false)
  const Icon = ICONS[tool.name] ?? Wrench
  const state = tool.result === null ? 'running' : tool.result.isError ? 'failed' : 'done'
  return (
    <div class={`tool tool-${state}`}>
      <button class="tool-head" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <Icon size={16} aria-hidden="true" />
        <span class="tool-name">{plain(tool.name)}</span>
        <bdi class="tool-subject">{plain(tool.title || subject(tool.name, tool.input)).split('\n')[0]}</bdi>
        {state === 'running' ? <LoaderCircle class="spin" size={16} aria-hidden="true" /> : state === 'failed' ? <CircleAlert class="bad" size={16} aria-hidden="true" /> : <CircleCheck class="good" size={16} aria-hidden="true" />}
        <span class="sr">{t(`item.${state}`)}</span>
      </button>
      {open.value && (
        <div class="tool-body">
          <ToolInput name={tool.name} input={tool.input} changes={tool.changes} />
          {tool.result && (tool.result.text ? <Output text={tool.result.text} /> : tool.result.images.length === 0 && <p class="quiet small">{t('item.output.none')}</p>)}
          {tool.result?.images.map((source, index) => <img key={index} class="picture" src={source} alt={t('item.image', { n: index + 1 })} />)}
        </div>
      )}
    </div>
  )
}

const EXTENSIONS: Record<string, string> = { rs: 'rust', py: 'python', yml: 'yaml', md: 'markdown', rb: 'ruby', h: 'c', html: 'xml', svg: 'xml', vue: 'xml' }

function languageOf(path: string): string {
  const extension = /\.(\w+)$/.exec(path)?.[1] ?? ''
  return EXTENSIONS[extension] ?? extension
}

/** All of what goes into it, as what it is. */
export function ToolInput({ name, input, changes = [] }: { name: string; input: Input; changes?: Change[] }) {
  if (changes.length > 0) {
    return (
      <>
        {changes.map((change, index) => (
          <div key={index}>
            <p class="path"><bdi>{plain(change.path)}</bdi></p>
            <Diff before={change.before} after={change.after} />
          </div>
        ))}
      </>
    )
  }
  const path = text(input.file_path) || text(input.notebook_path)
  const head = path && <p class="path"><bdi>{plain(path)}</bdi></p>
  switch (name) {
    case 'Bash':
    case 'PowerShell':
      return (
        <>
          {text(input.description) && <p class="quiet small">{plain(text(input.description))}</p>}
          <Code text={text(input.command)} language="bash" />
        </>
      )
    case 'Edit':
      return <>{head}<Diff before={text(input.old_string)} after={text(input.new_string)} /></>
    case 'MultiEdit':
      return (
        <>
          {head}
          {Array.isArray(input.edits) && input.edits.map((edit: Input, index) => <Diff key={index} before={text(edit.old_string)} after={text(edit.new_string)} />)}
        </>
      )
    case 'Write':
      return <>{head}<Code text={text(input.content)} language={languageOf(path)} /></>
    case 'TodoWrite':
      return <Todos todos={Array.isArray(input.todos) ? (input.todos as Input[]) : []} />
    case 'ExitPlanMode':
      return <Markdown text={text(input.plan)} />
    case 'Task':
    case 'Agent':
      return <Markdown text={text(input.prompt)} />
    case 'WebFetch':
      return <><p class="path"><bdi>{plain(text(input.url))}</bdi></p>{text(input.prompt) && <p>{plain(text(input.prompt))}</p>}</>
    default:
      return <Code text={JSON.stringify(input, null, 2)} language="json" />
  }
}

const MARKS: Record<string, string> = { completed: '✓', in_progress: '▸', pending: '○' }

export function Todos({ todos }: { todos: Input[] }) {
  return (
    <ul class="todos">
      {todos.map((todo, index) => {
        const state = text(todo.status) || 'pending'
        return (
          <li key={index} class={`todo todo-${state in MARKS ? state : 'pending'}`}>
            <span aria-hidden="true">{MARKS[state] ?? '○'}</span>
            <span>{plain(text(todo.content) || text(todo.subject))}</span>
          </li>
        )
      })}
    </ul>
  )
}

import '../no-eval.ts'
import { render } from 'preact'
import { streamIdSchema } from '../../common/wire/stream.ts'
import { Studio } from './studio.tsx'
import '../base.css'
import './publish.css'

const [, page, name = ''] = location.pathname.split('/')
const streamId = streamIdSchema.safeParse(page === 'publish' ? name : '')
const app = document.getElementById('app')

if (app !== null) {
  render(
    streamId.success ? (
      <Studio streamId={streamId.data} />
    ) : (
      <main class="nowhere">
        <h1>There is no such stream</h1>
        <p role="alert">The address of this page does not name a stream.</p>
        <a class="button" href="/">
          All streams
        </a>
      </main>
    ),
    app,
  )
}

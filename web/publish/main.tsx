import '../no-eval.ts'
import { render } from 'preact'
import { publishAddress } from './publish-address.ts'
import { Studio } from './studio.tsx'
import '../base.css'
import './publish.css'

const address = publishAddress(location)
const app = document.getElementById('app')

if (app !== null) {
  render(
    address ? (
      <Studio {...address} />
    ) : (
      <main class="nowhere">
        <h1>There is no such stream</h1>
        <p role="alert">The address of this page does not name a stream, or an input of one.</p>
        <a class="button" href="/">
          All streams
        </a>
      </main>
    ),
    app,
  )
}

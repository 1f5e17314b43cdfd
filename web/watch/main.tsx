import '../no-eval.ts'
import { render } from 'preact'
import { Mosaic } from './mosaic.tsx'
import { Viewer } from './viewer.tsx'
import { mosaicAddress, watchAddress } from './watch-address.ts'
import '../base.css'
import './watch.css'

const address = watchAddress(location.pathname)
const mosaic = mosaicAddress(location.pathname)
const app = document.getElementById('app')

if (app !== null) {
  render(
    mosaic !== null ? (
      <Mosaic address={mosaic} />
    ) : address !== null ? (
      <Viewer address={address} />
    ) : (
      <main class="stage">
        <div class="notice" role="alert">
          <h1>There is no such stream</h1>
          <p>The address of this page does not name a stream.</p>
          <div class="choices">
            <a class="button" href="/">
              All streams
            </a>
          </div>
        </div>
      </main>
    ),
    app,
  )
}

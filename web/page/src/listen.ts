// The page to listen to a conversation that goes on. It is for the computer that the server runs on.

import { html, LitElement, nothing } from "lit";
import { Listener, sessions, type Entry } from "./listener.js";
import { Meters } from "./meters.js";
import { sentence } from "./problem.js";
import { mark, meterView, type View } from "./views.js";

const base = new URL(".", location.href);

/** How often the list is asked for, in milliseconds. */
const refresh = 2000;

/** The page. It renders into itself: its style is the document's. */
class Listen extends LitElement {
  private entries: readonly Entry[] | undefined;
  private listener: Listener | undefined;
  private meters: Meters | undefined;
  private trouble = "";
  private unlisted = "";

  override connectedCallback(): void {
    super.connectedCallback();
    void this.list();
    setInterval(() => document.hidden || void this.list(), refresh);
    addEventListener("pagehide", () => this.stop());
    addEventListener("click", () => void this.listener?.resume());
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override firstUpdated(): void {
    const [you, agent] = this.querySelectorAll<HTMLElement>(".meter .lit");
    const silent = { you: 0, agent: 0 };
    if (you && agent) this.meters = new Meters({ levels: () => this.listener?.levels() ?? silent }, you, agent);
  }

  protected override updated(): void {
    if (this.listener) this.meters?.start();
    else this.meters?.stop();
  }

  protected override render(): View {
    const trouble = this.unlisted || this.trouble;
    return html`
      <header><h1><a href=".">parley</a></h1>
        <p class="status" data-phase=${this.listener ? "talking" : "idle"}><i class="dot"></i>
          <span role="status">${this.listener ? "Listening in" : "Ready"}</span></p>
      </header>
      <main>${this.entries?.length ? html`<ol class="sessions">${this.entries.map((e) => this.entry(e))}</ol>`
        : html`<section class="hero"><h2>Listen in.</h2><p>${this.entries ? "No conversation goes on now." : "Asking for the conversations …"}</p></section>`}
      </main>
      <footer>
        <div role="alert">${trouble ? html`<div class="problem fatal"><div><p>${trouble}</p></div></div>` : nothing}</div>
        <div class="stage two">${meterView("you", "Caller")}${meterView("agent", "Agent")}</div>
      </footer>`;
  }

  private entry(e: Entry): View {
    const on = this.listener?.session === e.id;
    return html`<li class="session"><p><span class="words">${e.id.slice(0, 8)}</span>
      <span class="who">${e.state}, since ${e.since.toLocaleTimeString()}</span></p>
      <button class="quiet mute" aria-pressed=${on} @click=${() => (on ? this.stop() : void this.start(e.id))}>
        ${mark(on ? "hangup" : "listen")}<span>${on ? "Stop" : "Listen"}</span></button></li>`;
  }

  private async list(): Promise<void> {
    try {
      this.entries = await sessions(base);
      this.unlisted = "";
    } catch (e) {
      this.entries = [];
      this.unlisted = words(e);
    }
    this.requestUpdate();
  }

  private async start(id: string): Promise<void> {
    this.stop();
    const listener = this.listener = new Listener(base, id, () => this.say("The browser does not play the sound. Click anywhere on the page to hear it."), () => {
      if (this.listener === listener) this.stop();
      void this.list();
    });
    try {
      await listener.start();
    } catch (e) {
      if (this.listener !== listener) return;
      this.stop();
      this.say(words(e));
    }
  }

  private stop(): void {
    this.listener?.close();
    this.listener = undefined;
    this.say("");
  }

  private say(trouble: string): void {
    this.trouble = trouble;
    this.requestUpdate();
  }
}

function words(e: unknown): string {
  return sentence(e instanceof Error ? e.message : String(e));
}

customElements.define("parley-listen", Listen);

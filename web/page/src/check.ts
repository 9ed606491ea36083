// The page that finds out what works between this browser and the server.

import { html, LitElement, nothing } from "lit";
import { diagnose, steps, verdict, type Findings, type Step } from "./diagnosis.js";
import type { View } from "./views.js";

/** The page. It renders into itself: its style is the document's. */
class Check extends LitElement {
  private found: Findings = {};
  private now: Step | undefined;
  private running: AbortController | undefined;
  private done = false;

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("pagehide", () => this.running?.abort());
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override render(): View {
    const begun = this.running !== undefined || this.done;
    return html`
      <header><h1><a href=".">parley</a></h1>
        <p class="status" data-phase=${this.running ? "connecting" : "idle"}><i class="dot"></i>
          <span role="status">${this.running ? "Checking …" : this.done ? html`Done<span class="sr">: ${verdict(this.found).title}</span>` : "Ready"}</span></p>
      </header>
      <main>${begun ? this.findings() : html`<section class="hero"><h2>Does it work?</h2>
        <p>Press Check and allow the microphone. Every way to the server is tried with a short call, which takes up to half a minute.</p></section>`}
      </main>
      <footer><div class="stage alone">
        <button class="main ${this.running ? "stop" : ""}" @click=${this.press}>${this.running ? "Cancel" : this.done ? "Check again" : "Check"}</button>
      </div></footer>`;
  }

  private findings(): View {
    const v = verdict(this.found);
    const all = (Object.keys(steps) as Step[]).filter((s) => this.found[s] || s === this.now);
    return html`<section class="findings">
      ${this.done ? html`<h2>${v.title}</h2><p>${v.text}</p>` : nothing}
      <ol>${all.map((s) => this.finding(s))}</ol>
    </section>`;
  }

  private finding(step: Step): View {
    const f = this.found[step];
    const word = { works: "works", fails: "fails", absent: "not there" };
    return html`<li class="finding ${f?.state ?? "trying"}"><span class="who">${steps[step]}</span>
      <p>${f ? html`<span class="sr">${word[f.state]}: </span>${f.text}` : html`<span class="dots" role="img" aria-label="trying"><i></i><i></i><i></i></span>`}</p></li>`;
  }

  private readonly press = (): void => {
    if (this.running) this.running.abort();
    else void this.run();
  };

  private async run(): Promise<void> {
    const running = (this.running = new AbortController());
    this.found = {};
    this.done = false;
    this.requestUpdate();
    try {
      await diagnose(new URL(".", location.href), running.signal, (step, finding) => {
        this.now = step;
        if (finding) this.found = { ...this.found, [step]: finding };
        this.requestUpdate();
      });
      this.done = true;
    } catch (e) {
      if (!running.signal.aborted) throw e;
    } finally {
      this.running = this.now = undefined;
      this.requestUpdate();
    }
  }
}

customElements.define("parley-check", Check);

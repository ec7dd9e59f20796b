"""Signature files: what they may say, how they add up, and that every mistake is told with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from signature_folders import folder

from dpi.dissect import protocols
from dpi.errors import FindingsError, UsageError
from dpi.match.labels import Signatures
from dpi.match.signatures import load


@pytest.fixture(scope="module")
def built_in() -> Signatures:
    return load()


def slug(signatures: Signatures, name: str) -> str | None:
    found = signatures.explain(name)
    return found[0].entry.label.slug if found else None


def findings(*folders: Path) -> list[str]:
    with pytest.raises(FindingsError) as caught:
        load(folders)
    return [str(each).replace(str(folders[0].parent) + "/", "") for each in caught.value.findings]


def test_at_least_300_apps_in_25_categories_are_told_by_host_names(built_in: Signatures) -> None:
    apps = {label.slug: label for label in built_in.owners("hosts") if label.kind == "app"}
    assert len(apps) >= 300
    assert len({label.category.slug for label in apps.values()}) >= 25


def test_every_label_that_a_dissector_names_has_its_constant_as_number(built_in: Signatures) -> None:
    for name, number in protocols.IDS.items():
        label = built_in.labels[number]
        assert label is not None and label.slug == name and label.id == number
    assert all(label is None or built_in.by_slug[label.slug] is label for label in built_in.labels)


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    os.mkfifo(mine / "pipe.yaml")
    (mine / "endless.yaml").symlink_to("/dev/zero")
    (mine / "gone.yaml").symlink_to("nowhere")
    (mine / "within.yaml").mkdir()
    assert findings(mine) == [
        "mine/endless.yaml:1:1: cannot be read: not a file",
        "mine/gone.yaml:1:1: cannot be read: No such file or directory",
        "mine/pipe.yaml:1:1: cannot be read: not a file",
        "mine/within.yaml:1:1: cannot be read: Is a directory",
    ]


@pytest.mark.corpus
def test_every_label_of_the_vocabulary_exists(built_in: Signatures, corpus: Path) -> None:
    lines = (corpus / "labels.tsv").read_text().splitlines()[1:]
    wanted = {line.split("\t")[0] for line in lines}
    own_rules = {name for name in wanted if name.startswith("customprotocol")}  # of a test's own rule file
    assert wanted - own_rules - built_in.by_slug.keys() == set()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("www.netflix.com", "netflix"),
        ("origin-a.akamaihd.net", "electronicarts"),
        ("fctguard.fortinet.net", "forticlient"),
        ("layla.amazon.de", "amazonalexa"),
        ("webdav.yandex.ru", "yandexdisk"),
        ("ipv4-c001-fra001-ix.1.oca.nflxvideo.net", "netflix"),
        ("rr3---sn-4g5e6nzz.googlevideo.com", "youtube"),
        ("i.ytimg.com", "youtube"),
        ("youtubei.googleapis.com", "youtube"),
        ("upload.youtube.com", "youtubeupload"),
        ("fonts.gstatic.com", "google"),
        ("storage.googleapis.com", "googleservices"),
        ("mail.google.com", "gmail"),
        ("meet.google.com", "googlemeet"),
        ("scontent-fra3-1.xx.fbcdn.net", "facebook"),
        ("video-fra3-1.xx.fbcdn.net", "fbookreelstory"),
        ("scontent-fra3-1.cdninstagram.com", "instagram"),
        ("mmg.whatsapp.net", "whatsappfiles"),
        ("web.whatsapp.com", "whatsapp"),
        ("atv-ps-eu.amazon.com", "amazonvideo"),
        ("s3.amazonaws.com", "amazonaws"),
        ("www.amazon.de", "amazon"),
        ("teams.microsoft.com", "teams"),
        ("contoso.sharepoint.com", "microsoft365"),
        ("contoso-my.sharepoint.com", "msonedrive"),
        ("outlook.live.com", "outlook"),
        ("fe2.update.microsoft.com", "windowsupdate"),
        ("p12-buy.itunes.apple.com", "applestore"),
        ("1-courier.push.apple.com", "applepush"),
        ("gateway.icloud.com", "appleicloud"),
        ("mask.icloud.com", "icloudprivaterelay"),
        ("short.weixin.qq.com", "wechat"),
        ("ocsp.example-ca.org", "ocsp"),
        ("doh.example.net", "dohdot"),
        ("2.dnscrypt-cert.example.net", "dnscrypt"),
        ("12vod-adaptive.akamaized.net", "vimeo"),
        ("z-p42-instagram.c10r.facebook.com", "instagram"),
        ("logx.optimizely.com", "adsanalytictrack"),
        ("e1234.dscb.akamaiedge.net", "akamai"),
        ("23.246.2.1", "netflix"),
        ("2a00:86c0:2040::1", "netflix"),
        ("maps.google.co.uk", "googlemaps"),
        ("maps.google.com.br", "googlemaps"),
        ("khm1.google.com", "googlemaps"),
        ("docs.l.google.com", "googledocs"),
        ("classroom.googleapis.com", "googleclassroom"),
        ("alexa.amazon.com.au", "amazonalexa"),
        ("dp-gw-eu.amazon.com", "amazonalexa"),
        ("atv-ps-fe.amazon.com.au", "amazonvideo"),
        ("cobalt.sfx.ms", "msonedrive"),
        ("contoso-my.sharepoint.us", "msonedrive"),
        ("xbox.ipv6.microsoft.com", "xbox"),
        ("gateway.fe2.apple-dns.net", "appleicloud"),
        ("smoot-feedback.v.aaplimg.com", "applesiri"),
        ("gs2.sonycoment.loris-e.llnwd.net", "playstation"),
        ("gs2.ww.prod.dl.playstation.net.edgesuite.net", "playstation"),
        ("nus.shop.wii.com", "nintendo"),
        ("roblox.qq.com", "roblox"),
        ("contoso--c.visualforce.com", "salesforce"),
        ("p16-sign-va.tiktokcdn.com.c.worldfcdn.com", "tiktok"),
        ("frontier.tiktokv.us.edgesuite.net", "tiktok"),
        ("wxsnsdy.tc.qq.com", "wechat"),
        ("finder.video.qq.com", "wechat"),
        ("mmecoa.qpic.cn", "wechat"),
        ("maplestory2.nexon.net", "maplestory"),
        ("avvimeo-a.akamaihd.net", "vimeo"),
        ("www.serving-sys.com", "adsanalytictrack"),
        ("www.geforce.com", "nvidia"),
        ("fa723fc1b171.us-west-2.playback.live-video.net", "amazonaws"),
        ("bea4.v.fwmrm.net", "adsanalytictrack"),
        ("mc.yandex.com.tr", "yandexmetrika"),
        ("optsdk.gameyw.netease.com", "neteasegames"),
        ("igcdn-videos-a-0-a.akamaihd.net", "instagram"),
        ("audio-akp-quic-spotify-com.akamaized.net", "spotify"),
        ("crashlyticsreports-pa.googleapis.com", "googleservices"),
    ],
)
def test_the_app_is_told_rather_than_its_owner_or_carrier(built_in: Signatures, name: str, label: str) -> None:
    assert slug(built_in, name) == label


def test_a_jewellers_name_is_no_music_services(built_in: Signatures) -> None:
    assert slug(built_in, "www.pandora.com") == "pandora"
    assert slug(built_in, "www.pandora.net") is None


def test_clouds_are_shared_and_services_are_not(built_in: Signatures) -> None:
    shared = {label.slug for label in built_in.by_slug.values() if label.shared}
    assert {"amazonaws", "azure", "googlecloud", "cloudflare", "akamai"} <= shared
    assert not {"netflix", "youtube", "google", "facebook"} & shared


def test_calls_have_labels_of_their_own(built_in: Signatures) -> None:
    calls = {"telegram": "telegramvoip", "signal": "signalvoip", "viber": "vibervoip", "teams": "skypeteamscall"}
    for app, call in calls.items():
        assert built_in.by_slug[app].calls == call
    assert built_in.by_slug["netflix"].calls is None


def test_an_entry_knows_its_line(built_in: Signatures) -> None:
    for name in ("www.netflix.com", "i.ytimg.com", "ocsp.example-ca.org", "23.246.2.1"):
        entry = built_in.explain(name)[0].entry
        file, _, line = entry.where.rpartition(":")
        assert entry.text in Path(file).read_text().splitlines()[int(line) - 1].split()
        assert entry.about


def test_the_template_loads_and_says_what_its_comments_say(tmp_path: Path, small: Path) -> None:
    template = Path(__file__).parents[2] / "docs" / "reference" / "signatures-template.yaml"
    loaded = load([folder(tmp_path / "mine", template.read_text())])
    for host in ("streams.example.edu", "a.streams.example.edu", "play.example.edu", "a.cdn.example.edu"):
        assert slug(loaded, host) == "lecture-streams"
    assert slug(loaded, "hall-7.video.example.net") == "lecture-streams"
    assert slug(loaded, "cdn.example.edu") is None
    assert slug(loaded, "a.play.example.edu") is None
    assert slug(loaded, "198.51.100.17") == "netflix"
    assert loaded.category_by_slug["lectures"].within == "video"


def test_a_users_file_adds_to_a_label_and_changes_what_it_names(tmp_path: Path, small: Path) -> None:
    mine = folder(tmp_path / "mine", "apps:\n  netflix: {name: Films, hosts: films.example}\n")
    loaded = load([mine])
    assert slug(loaded, "films.example") == slug(loaded, "www.netflix.com") == "netflix"
    assert loaded.by_slug["netflix"].name == "Films"
    assert loaded.by_slug["netflix"].category.slug == "video"


def test_a_users_entry_takes_a_name_from_a_built_in_label(tmp_path: Path, small: Path) -> None:
    mine = folder(
        tmp_path / "mine",
        "apps:\n  mytube: {category: video, hosts: youtube.com =i.ytimg.com, prefixes: 23.246.0.0/18}\n",
    )
    loaded = load([mine])
    assert slug(loaded, "www.youtube.com") == "mytube"
    assert slug(loaded, "i.ytimg.com") == "mytube"
    assert slug(loaded, "s.ytimg.com") == "youtube"
    assert slug(loaded, "23.246.2.1") == "mytube"
    assert [each.entry.label.slug for each in loaded.explain("i.ytimg.com")] == ["mytube", "youtube"]


def test_replace_drops_what_was_listed_before(tmp_path: Path, small: Path) -> None:
    mine = folder(tmp_path / "mine", "apps:\n  netflix: {replace: true, hosts: films.example}\n")
    loaded = load([mine])
    assert slug(loaded, "www.netflix.com") is None
    assert slug(loaded, "23.246.2.1") is None
    assert slug(loaded, "films.example") == "netflix"


def test_later_folders_override_earlier_ones(tmp_path: Path, small: Path) -> None:
    first = folder(tmp_path / "first", "apps:\n  one: {category: web, hosts: x.example}\n")
    second = folder(tmp_path / "second", "apps:\n  two: {category: web, hosts: x.example}\n")
    assert slug(load([first, second]), "x.example") == "two"
    assert slug(load([second, first]), "x.example") == "one"


def test_words_may_stand_in_a_block_on_a_line_or_in_a_list(tmp_path: Path, small: Path) -> None:
    text = (
        "apps:\n"
        "  a:\n    category: web\n    hosts: |\n      one.example  # a comment\n      two.example\n"
        "  b: {category: web, hosts: three.example four.example}\n"
        "  c:\n    category: web\n    hosts: [five.example, '*six.example', \"=seven.example\"]\n"
        "  d:\n    category: web\n    hosts: eight.example\n      nine.example\n"
    )
    mine = folder(tmp_path / "mine", text)
    loaded = load([mine])
    for number, (host, label) in {
        5: ("one.example", "a"),
        6: ("two.example", "a"),
        7: ("four.example", "b"),
        10: ("a-six.example", "c"),
        13: ("eight.example", "d"),
        14: ("nine.example", "d"),
    }.items():
        found = loaded.explain(host)[0].entry
        assert (found.label.slug, found.where) == (label, f"{mine}/0.yaml:{number}")


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path, small: Path) -> None:
    mine = folder(
        tmp_path / "mine",
        "apps:\n"
        "  Bad Slug: {category: web}\n"
        "  a: {category: nowhere, hosts: x.example x.example}\n"
        "  b: {hosts: x.example, colour: red}\n"
        "  b: {category: web}\n"
        "  tls: {category: web}\n"
        "  c: [1]\n"
        "  d: {category: web, calls: dd}\n"
        "hosts:\n"
        "  nobody: y.example\n"
        "categories:\n"
        "  inner: {within: outer}\n",
        "apps:\n  a: {category: web}\n",
    )
    assert findings(mine) == [
        "mine/0.yaml:2:3: apps.Bad Slug: a slug has lower-case letters, digits, - and _",
        "mine/0.yaml:3:17: apps.a.category: there is no category 'nowhere'",
        "mine/0.yaml:3:43: a: x.example is already listed here",
        "mine/0.yaml:4:3: apps.b: needs a category",
        "mine/0.yaml:4:14: b: x.example is already listed under a",
        "mine/0.yaml:4:25: apps.b: unknown key 'colour' (known: name, category, description, video, calls, push,"
        " hosts, prefixes, ports, shared, mixed, replace, signatures, rules)",
        "mine/0.yaml:5:3: apps.b: stands here twice",
        "mine/0.yaml:6:3: apps.tls: is protocol at " + f"{small}/protocols.yaml:{_line(small, 'tls')}",
        "mine/0.yaml:7:3: apps.c: needs a category",
        "mine/0.yaml:7:6: apps.c: a mapping is needed here",
        "mine/0.yaml:8:29: apps.d.calls: there is no label 'dd'",
        "mine/0.yaml:10:11: hosts.nobody: there is no such label",
        "mine/0.yaml:12:19: categories.inner.within: there is no category 'outer'",
        "mine/1.yaml:2:3: apps.a: already defined at mine/0.yaml:3",
    ]


def _line(built_in: Path, name: str) -> int:
    lines = (built_in / "protocols.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(f"  {name}: "))


def test_misspelt_words_are_told_one_by_one(tmp_path: Path, small: Path) -> None:
    mine = folder(
        tmp_path / "mine",
        "apps:\n"
        "  a:\n"
        "    category: web\n"
        "    hosts: |\n"
        "      ok.example Bad.Example  a..b  # no.mistake\n"
        "      *x*\n"
        "    prefixes: 192.0.2.1/24 10.0.0.0/33 ::ffff:1.2.3.4 what\n"
        "    ports: tcp/0 udp/9-8 icmp/1 tcp/443\n",
    )
    assert [line.split(": ")[0] + " " + line.split(": ")[2] for line in findings(mine)] == [
        "mine/0.yaml:5:18 Bad.Example",
        "mine/0.yaml:5:31 a..b",
        "mine/0.yaml:6:7 *x*",
        "mine/0.yaml:7:15 192.0.2.1/24",
        "mine/0.yaml:7:28 10.0.0.0/33",
        "mine/0.yaml:7:40 ::ffff:1.2.3.4",
        "mine/0.yaml:7:55 what",
        "mine/0.yaml:8:12 tcp/0",
        "mine/0.yaml:8:18 udp/9-8",
        "mine/0.yaml:8:26 icmp/1",
    ]


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"apps: [1, }", "mine/0.yaml:1:11:"),
        (b"apps:\n\tx: 1\n", "mine/0.yaml:2:1:"),
        (b"\xff\xfe", "mine/0.yaml:1:1:"),
        (b"a: \x00", "mine/0.yaml:1:1:"),
        (b"- 1\n", "mine/0.yaml:1:1:"),
        (b"apps: {x: {category: web, hosts: {a: b}}}\n", "mine/0.yaml:1:34:"),
        (b"apps: {x: {category: web, shared: maybe}}\n", "mine/0.yaml:1:35:"),
    ],
)
def test_what_is_not_a_signature_file_is_refused_with_its_place(
    tmp_path: Path, small: Path, raw: bytes, place: str
) -> None:
    mine = folder(tmp_path / "mine", "")
    (mine / "0.yaml").write_bytes(raw)
    assert findings(mine)[0].startswith(place)


def test_a_folder_that_cannot_be_read_is_the_users_mistake(tmp_path: Path, small: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load([tmp_path / "none"])


def test_no_more_categories_than_the_loop_can_count(tmp_path: Path, small: Path) -> None:
    many = "".join(f"  c{number}: {{}}\n" for number in range(300))
    mine = folder(tmp_path / "mine", "categories:\n" + many)
    assert "more than 255 categories" in findings(mine)[0]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("142.250.74.202", "googleservices"),  # fra24s02-in-f10.1e100.net
        ("64.233.164.95", "googleservices"),  # lf-in-f95
        ("2a00:1450:4007:80d::200a", "googleservices"),  # par10s21-in-x0a
        ("64.233.163.136", "youtube"),  # lj-in-f136
        ("142.250.178.142", "google"),  # par10s49-in-f14, which serves many: the owner's prefix
        ("31.13.65.52", "instagram"),  # instagram-p3-shv-01-atl3.fbcdn.net
        ("31.13.65.36", "facebook"),
        ("2a03:2880:f237:e5:face:b00c:0:4420", "instagram"),
        ("151.101.129.140", "reddit"),
        ("2a04:4e42:600::396", "reddit"),
        ("151.101.192.84", "pinterest"),
    ],
)
def test_services_are_told_by_their_owners_numbering(built_in: Signatures, address: str, name: str) -> None:
    assert slug(built_in, address) == name

use super::*;

fn judged(address: &str) -> Reach {
    judge(address.parse().unwrap())
}

fn check(reach: Reach, addresses: &[&str]) {
    for address in addresses {
        assert_eq!(judged(address), reach, "{address}");
    }
}

#[test]
fn threat_76_addresses_of_ours_and_of_clouds_are_not_public() {
    check(Reach::Unspecified, &["0.0.0.0", "0.1.2.3", "::"]);
    check(Reach::Loopback, &["127.0.0.1", "127.255.255.254", "::1"]);
    check(
        Reach::Private,
        &[
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
        ],
    );
    check(Reach::Shared, &["100.64.0.1", "100.127.255.255"]);
    check(Reach::LinkLocal, &["169.254.0.1", "169.254.255.255", "fe80::1", "febf::1"]);
    check(
        Reach::Metadata,
        &[
            "169.254.169.254",
            "169.254.169.253",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "169.254.42.42",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:42::42",
        ],
    );
    check(Reach::Multicast, &["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1"]);
    check(
        Reach::Documentation,
        &["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff:fff::1"],
    );
    check(
        Reach::Reserved,
        &[
            "192.0.0.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "240.0.0.1",
            "100::1",
            "2001:1::1",
            "2001:20::1",
            "2001:1ff::1",
            "5f00::1",
            "4000::1",
            "1::1",
            "64:ff9b:2::1",
        ],
    );
}

#[test]
fn threat_76_an_address_inside_an_address_is_judged() {
    check(Reach::Loopback, &["::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::127.0.0.1"]);
    check(Reach::Loopback, &["::127.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::1"]);
    check(Reach::Metadata, &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"]);
    check(Reach::Private, &["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1"]);
    // Teredo holds the client's address inverted: 10.0.0.1.
    check(Reach::Private, &["2001:0:808:808::f5ff:fffe"]);
    check(Reach::Unspecified, &["::ffff:0.0.0.0", "64:ff9b::"]);
}

#[test]
fn threat_76_a_public_address_in_a_dead_or_local_wrapper_is_not_public() {
    check(Reach::Private, &["64:ff9b:1::8.8.8.8", "64:ff9b:1:2:3:4:808:808"]);
    check(Reach::Reserved, &["::8.8.8.8", "::ffff:0:8.8.8.8", "2002:808:808::1"]);
    check(Reach::Reserved, &["2001:0:4136:e378:8000:63bf:f7f7:f7f7"]);
}

#[test]
fn the_open_internet_is_public() {
    check(
        Reach::Public,
        &[
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
    );
}
